"""Words of other tools in recipes: timm's and torchvision's train.py, Ultralytics, Lightning, Keras, Hugging Face and mmcv.

Tables only; other_tools.py lays them into the rules. A place is the dotted path of keys; `*` stands for each of the choices there. What a
recipe has by now is no longer said to be missing: a word that its rules know is left out of these rows.
"""

from __future__ import annotations

from typing import Any

from ...compiler.frontend.language import SPEC_KEYS

FLAGS = "archc train SPEC RECIPE"
# words at the top, the section that they belong in, and the key in it
STANDS_IN: list[tuple[tuple[str, ...], str, str]] = [
    (("lr_step_size", "step_size", "decay_milestones", "lr_steps", "lr_gamma"), "schedule", ""),
    (("warmup_steps", "warmup_iters", "num_warmup_steps", "lr_warmup_steps", "warmup_iterations"), "warmup", "steps"),
    (("lr_warmup_epochs", "num_warmup_epochs"), "warmup", "epochs"),
    (("lr_warmup_decay", "warmup_start_factor"), "warmup", "start"),
    (("lr_warmup_method", "warmup_shape", "warmup_type"), "warmup", "shape"),
    (("save_period", "checkpoint_interval", "save_every_n_epochs"), "checkpoint", "every"),
    (("max_keep_ckpts", "checkpoint_hist"), "checkpoint", "keep"),
    (("use_tensorboard",), "log", "tensorboard"),
    (("train_split", "train_size", "train_ratio", "val_size", "valid_size", "test_size", "test_ratio"), "data", ""),
    (("mixup_alpha",), "augment", "mixup"),
    (("cutmix_alpha",), "augment", "cutmix"),
    (("reprob", "random_erase", "erase_prob"), "augment", "random_erasing"),
]  # fmt: skip

# rows of words without a place in a recipe, and what to do instead: an advice, or one for each JSON type of the value
Rows = list[tuple[tuple[str, ...], Any]]
BEST_KEPT = (
    "a run has its length: leave it out; the best weights are kept whatever comes after them, and Ctrl-C ends a run"
)
INPUT = "the spec says its input: `archc init mine --from SPEC` begins one of your own, with `input: {image: [3, 224, 224]}`"
PREPROCESS = "the spec's `preprocess` says it, for training and for the built model alike: leave it out"
NO_LOSS = "leave it out: the loss is cross-entropy, and its options are written `loss: {label_smoothing: 0.1}`"
OTHER_KEYS: dict[str, Rows] = {
    "": [
        (("early_stopping", "early_stop", "early_stopping_patience", "early_stopping_rounds"), BEST_KEPT),
        (("patience", "patience_epochs", "lr_patience"), {"integer": f"of a schedule it is `schedule: {{plateau: {{patience: VALUE}}}}`; to end a run early: {BEST_KEPT}",
                                                          "": BEST_KEPT}),
        (("data_dir", "data_path", "dataset_dir", "data_root", "train_data", "dataset_path", "dataset_root", "image_folder"),
         {"string": f"the folder of the pictures is said on the command line: `{FLAGS} --data VALUE`", "": f"the folder of the pictures is said on the command line: `{FLAGS} --data DIR`"}),
        (("optimizer_config", "optim_wrapper", "optim_args"), "the optimizer stands in `optimizer: {sgd: {lr: 0.1}}`, and the largest norm of the gradient in `clip: 1.0`"),
        (("runner", "train_cfg", "train_loop"), "how long a run is stands at the top: write `epochs: 90`"),
        (("push_to_hub", "hub_model_id", "remove_unused_columns", "do_train", "do_eval", "do_predict", "group_by_length", "label_names", "past_index", "run_eagerly",
          "fast_dev_run", "enable_checkpointing", "enable_progress_bar", "num_sanity_val_steps", "limit_train_batches", "visualizer", "val_cfg", "test_cfg", "env_cfg"),
         "leave it out: there is nothing of it"),
        (("training", "train", "hyperparameters", "hparams", "hyp", "solver", "fit", "config", "settings", "train_config", "training_args", "trainer_args", "params_train"),
         {"object": "what stands in it stands at the top of a recipe, each key on a line of its own"}),
        (("param_groups", "paramwise_cfg", "no_weight_decay", "filter_bias_and_bn", "norm_weight_decay", "bias_weight_decay", "no_decay_bn"),
         "norms and biases are left out of the decay by `optimizer: {sgd: {lr: 0.1, weight_decay: 0.0001, decay_norms: false}}`"),
        (("callbacks", "hooks", "custom_hooks", "trainer", "default_hooks"),
         "a recipe has none: the best weights, checkpoints, metrics.csv and report.html are written by themselves; leave it out"),
        (("load_best_model_at_end", "save_best", "save_best_only", "save_last"), "leave it out: best.safetensors and the newest checkpoints are always written"),
        (("save_top_k",), {"integer": "the best weights are kept, one set of them; of the newest checkpoints so many: `checkpoint: {keep: VALUE}`",
                           "": "leave it out: the best weights are kept, and the newest checkpoints"}),
        (("save_strategy", "evaluation_strategy", "eval_strategy", "logging_strategy"), "leave it out: checkpoints come by `checkpoint: {every: {epochs: 1}}`, and validation after each epoch"),
        (("save_steps",), {"integer": "write `checkpoint: {every: {steps: VALUE}}`"}),
        (("val_interval", "eval_interval", "eval_freq", "check_val_every_n_epoch", "validation_freq", "val_period", "eval_steps", "val_check_interval"),
         "leave it out: the net is validated after each epoch"),
        (("imgsz", "img_size", "image_size", "input_size", "resolution", "imgsz_train", "train_crop_size", "crop_size", "input_shape", "img_dim"), INPUT),
        (("nc", "num_classes", "n_classes", "num_class", "nb_classes", "num_labels"),
         {"integer": f"the classes are the spec's: leave it out, as they are counted in the pictures, or say it: `{FLAGS} --set classes=VALUE`",
          "": f"the classes are the spec's: `{FLAGS} --set classes=10`"}),
        (("classes",), {"integer": f"the number of classes is counted in the pictures: leave it out, or say it: `{FLAGS} --set spec.classes=VALUE`"}),
        (("Normalize", "normalise", "normalization", "mean", "std", "resize", "val_resize_size", "val_crop_size", "crop_pct", "preprocess", "interpolation", "rescale",
          "train_interpolation"), PREPROCESS),
        # behind the row that has `preprocess`, as the first row of a word counts
        ((*SPEC_KEYS, "lineage"), "it is a spec's, and a recipe is a file of its own: `archc train SPEC RECIPE`"),
        (("lrf", "final_lr_factor"), "the lowest learning rate is said itself, and not as a share: write `schedule: {cosine: {min_lr: 0.0001}}`"),
        (("cos_lr", "cosine_lr", "use_cosine"), {"true": "write `schedule: cosine`", "false": "leave it out: without `schedule` the learning rate is constant"}),
        (("T_max", "t_initial", "cosine_epochs"), "leave it out: a schedule ends with the run; `schedule: cosine` takes all of it"),
        (("warmup_lr", "warmup_lr_init", "warmup_init_lr"), "a warm-up starts at a share of the learning rate: write `warmup: {epochs: 5, start: 0.01}`"),
        (("warmup_ratio", "warmup_fraction", "warmup_pct"), "a warm-up has its length in epochs or steps: write `warmup: {epochs: 5}`"),
        (("warmup_momentum", "warmup_bias_lr"), "leave it out: a warm-up changes the learning rate alone, as `warmup: {epochs: 3}`"),
        (("nbs", "nominal_batch_size"), "leave it out: `batch` is the whole batch of a step, and `accumulate: 2` takes it in two passes"),
        (("per_device_train_batch_size", "batch_per_gpu", "batch_size_per_gpu", "samples_per_gpu", "imgs_per_gpu"),
         {"integer": "`batch` counts the pictures of all devices and passes of a step: write `batch: VALUE`, times the number of devices"}),
        (("per_device_eval_batch_size", "val_batch_size", "validation_batch_size", "eval_batch_size"), "leave it out: validation takes its batch from `batch`"),
        (("close_mosaic", "mosaic", "copy_paste", "degrees", "shear", "perspective", "bgr", "flipud", "translate"),
         "leave it out: there is no such step; `augment: [trivial_augment]` draws among rotations, shears, shifts and colours"),
        (("hsv_h", "hsv_s", "hsv_v"), "colours are one step: write `augment: [{color_jitter: {hue: 0.015, saturation: 0.7, brightness: 0.4}}]`"),
        (("scale", "ratio", "train_scale"), "it is said of the crop: write `augment: [{random_resized_crop: {scale: [0.08, 1.0]}}]`"),
        (("aa", "auto_augment", "auto_augment_policy", "data_augmentation"),
         "steps are a list: write `augment: [{rand_augment: {ops: 2, magnitude: 9}}]`, or `augment: [trivial_augment]`"),
        (("ra_magnitude", "ra_num_ops", "augmix_severity", "aug_splits", "aug_repeats", "ra_sampler", "ra_reps", "mixup_prob", "mixup_switch_prob", "mixup_mode",
          "mixup_off_epoch", "remode", "recount", "resplit"), "leave it out: a step has its own fields, as `augment: [{rand_augment: {ops: 2, magnitude: 9}}, {mixup: 0.2}]`"),
        (("test", "test_dir", "test_path", "test_data"), "a run looks at `data: {train: train, val: val}` alone: leave it out, and give the built model its test pictures: `archc eval MODEL FOLDER`"),
        (("pretrained", "weights", "pretrained_weights", "initial_checkpoint", "finetune", "load_from", "init_weights", "checkpoint_path", "load_weights"),
         f"what a run starts from is said on the command line: `{FLAGS} --weights FILE`"),
        (("resume", "resume_from", "resume_from_checkpoint", "ckpt_path", "auto_resume"), "a run goes on by the command line: `archc train --resume RUN`"),
        (("project", "exist_ok", "save_dir", "output", "output_dir", "out_dir", "work_dir", "run_dir", "log_dir", "default_root_dir", "logging_dir", "experiment",
          "run_name", "exp_name", "overwrite_output_dir"), f"the folder of a run is said on the command line: `{FLAGS} -o RUN`"),
        (("device", "devices", "gpus", "gpu", "accelerator", "no_cuda", "use_cpu", "cuda"), f"where a run takes place is said on the command line: `{FLAGS} --device cuda`"),
        (("strategy", "world_size", "distributed", "ddp", "num_nodes", "nnodes", "local_rank", "dist_url", "dist_backend", "find_unused_parameters", "ddp_backend",
          "sync_bn", "sync_batchnorm", "num_gpus", "num_processes"), "several GPUs are torchrun's to say: `torchrun --nproc-per-node gpu -m archc train SPEC RECIPE -o RUN`"),
        (("deterministic", "use_deterministic_algorithms", "cudnn_deterministic", "full_determinism"), "leave it out: every run is deterministic, by its `seed`"),
        (("benchmark", "cudnn_benchmark", "tf32", "allow_tf32"), "leave it out: it would make two runs of one recipe differ"),
        (("pin_memory", "pin_mem", "persistent_workers", "prefetch_factor", "prefetch", "shuffle", "drop_last", "cache", "cache_dataset", "rect", "dataloader_pin_memory",
          "dataloader_drop_last"), "leave it out: pictures are shuffled in each epoch, all of them come, and they are read ahead by `data: {workers: 8}`"),
        (("drop", "Dropout", "drop_rate", "DropPath", "drop_path_rate", "stochastic_depth", "bn_momentum", "bn_eps", "init_values", "global_pool",
          "attention_dropout", "drop_connect", "head_init_scale"), f"it is the net's, so the spec says it: a parameter of the spec is set by `{FLAGS} --set NAME=VALUE`"),
        (("bias_init", "bias_initializer", "bias_filler", "init_bias"), {"number": "write `init: {default: {bias: VALUE}}`", "": "write `init: {default: {bias: 0.1}}`"}),
        (("zero_init_residual", "zero_init_last", "zero_gamma", "zero_init_last_bn"), {"true": "write `init: {default: {zero_last_norm: true}}`",
                                                                                       "": "leave it out: norms begin with a scale of 1"}),
        (("layer_decay", "lr_k_decay", "lr_noise", "lr_cycle_mul", "lr_cycle_limit", "cooldown_epochs", "layerwise_decay", "llrd"),
         "leave it out: there is nothing of it; every layer learns at the rate of the schedule"),
        (("task", "mode", "single_cls", "overlap_mask", "mask_ratio", "box", "cls", "dfl"), "leave it out: a recipe trains a classifier"),
        (("plots", "verbose", "save", "save_json", "profile", "progress_bar", "disable_tqdm"), "leave it out: progress, metrics.csv and report.html come by themselves"),
        (("wandb", "comet", "mlflow", "neptune", "clearml", "use_wandb", "wandb_project", "report_to", "tb_logger"),
         "a run writes metrics.csv and report.html; for TensorBoard write `log: {tensorboard: true}`"),
        (("bce_loss", "focal_loss", "loss_fn", "loss_function", "jsd_loss", "loss_weights", "use_focal_loss"), NO_LOSS),
        (("amp_dtype", "fp16_opt_level", "amp_opt_level", "apex_amp", "native_amp", "amp_backend"), "write `precision: bf16`, or `precision: fp16`"),
        (("fp16", "half", "use_fp16", "fp16_full_eval"), {"true": "write `precision: fp16`", "false": "leave it out: without `precision` all is `precision: fp32`"}),
        (("bf16", "use_bf16", "bfloat16"), {"true": "write `precision: bf16`", "false": "leave it out: without `precision` all is `precision: fp32`"}),
        (("model", "net", "arch", "spec", "backbone", "model_name", "model_name_or_path", "cfg"),
         f"a recipe names no net: `{FLAGS}`; `nets: [resnet18]` are bundled ones whose own recipe it is"),
    ],
    "data": [
        (("cifar10", "cifar100", "imagenet", "imagenet-1k", "mnist", "fashion_mnist", "coco", "imagenette", "food101"),
         f"data are a folder of yours: leave it out, and name the folder: `{FLAGS} --data DIR`"),
        (("path", "root", "data_dir", "dir", "folder", "data_root", "dataset_path", "data_path"),
         {"string": f"the folder of the pictures is said on the command line: `{FLAGS} --data VALUE`; here are folders in it: `data: {{train: train, val: val}}`",
          "": f"the folder of the pictures is said on the command line: `{FLAGS} --data DIR`"}),
        (("test", "test_dir", "test_path"), "a run looks at `train` and `val` alone: leave it out, and give the built model its test pictures: `archc eval MODEL FOLDER`"),
        (("nc", "num_classes", "n_classes"), "leave it out: the classes are counted in the pictures"),
        (("batch_size", "batch", "samples_per_gpu", "train_batch_size"), {"integer": "it stands at the top: `batch: VALUE`"}),
        (("imgsz", "img_size", "image_size", "size", "input_size", "resolution"), INPUT),
        (("mean", "std", "Normalize", "resize", "transform", "transforms", "preprocess"), PREPROCESS),
        (("shuffle", "pin_memory", "drop_last", "persistent_workers", "prefetch_factor", "cache", "download"), "leave it out: pictures are shuffled in each epoch, all of them come, and they are read ahead"),
        (("name", "type", "dataset", "_target_"), "data are a folder: `data: {train: train, val: val}`; MNIST's files are `data: {format: idx}`, and a list of paths and classes is `data: {format: csv}`"),
    ],
    "data.workers": [(("auto", "-1", "all", "max"), "write `workers: null`: then there is one a core, at most 8")],
    "data.format": [(("coco", "voc", "yolo", "tfrecord", "tfrecords", "webdataset", "wds", "lmdb", "hdf5", "parquet", "arrow", "zip", "tar", "json", "torch", "hf", "huggingface"),
                     "there is no such format: a folder has a folder for each class (`format: imagefolder`), a csv a path and a class a line (`format: csv`)")],
    "data.split": [(("80/20", "0.8/0.2", "90/10", "0.9/0.1", "70/30"), "it is the share that validates: write `split: 0.2`")],
    "loss": [
        (("name", "type", "_target_", "class_name", "fn"), NO_LOSS),
        (("cross_entropy", "CrossEntropyLoss", "ce", "xent", "Softmax", "categorical_crossentropy", "sparse_categorical_crossentropy",
          "LabelSmoothingCrossEntropy", "nll", "nll_loss"), {"object": "its options stand in `loss` itself: `loss: {label_smoothing: 0.1}`", "": NO_LOSS}),
        (("mse", "MSELoss", "mean_squared_error", "l1", "bce", "BCELoss", "BCEWithLogitsLoss", "binary_crossentropy", "focal", "FocalLoss", "hinge", "triplet", "contrastive", "kl",
          "SoftTargetCrossEntropy", "dice", "huber", "smooth_l1", "arcface"),
         "there is no such loss: a recipe trains a classifier, by cross-entropy; leave it out"),
        (("reduction", "ignore_index", "use_sigmoid", "loss_weight"), "leave it out: the loss is the mean over the pictures of a step"),
    ],
    "batch": [(("auto", "-1", "autobatch", "max"), "write a number, as `batch: 32`; `--dry-run` of `archc train` says how much memory a step of it takes")],
    "epochs": [(("0", "-1"), "write `epochs: 1` or more; `--dry-run` of `archc train` trains nothing, and shows what would be done"),
               (("auto", "inf"), "a run has its length: write `epochs: 90`")],
    "init": [(("zeros", "zeros_", "zero", "ones", "ones_", "constant", "constant_", "value", "fill"), "weights that all begin alike learn alike: leave it out, or write `init: {normal: {std: 0.01}}`"),
             (("orthogonal", "orthogonal_", "sparse", "sparse_", "dirac", "dirac_", "eye", "positive_unitball", "bilinear", "lsuv", "fixup", "delta_orthogonal", "caffe2xavier",
               "variance_scaling", "VarianceScaling"), "there is no such start; the nearest is `init: kaiming`, for a net without ReLUs `init: xavier`"),
             (("pretrained", "checkpoint", "weights", "load_from"), f"what a run starts from is said on the command line: `{FLAGS} --weights FILE`"),
             (("seed",), "it stands at the top: `seed: 0`"),
             (("auto", "true", "random", "spec"), "write `init: default`, as the spec's layers begin, or leave it out"),
             (("apply", "module", "layer", "layers_type", "override"), "a layer has its path: `init: {normal: {layers: {fc: {normal: {std: 0.001}}}}}`")],
    "init.*": [(("nonlinearity", "activation", "negative_slope"), "a gain says it: √2, about 1.4142, is that of a ReLU, and 1 that of a net without any"),
               (("mean", "loc", "mu", "minval", "min", "low"), "leave it out: what is drawn has a mean of 0"),
               (("a", "b", "lower", "upper", "cutoff", "threshold"), "leave it out: a truncated normal ends at two standard deviations, and a `gain` of √2 is for a ReLU"),
               (("seed", "random_state", "generator"), "it stands at the top: `seed: 0`"),
               (("value", "val", "const"), "a bias begins with a number: `init: {default: {bias: 0.1}}`"),
               (("override", "layer", "module"), "a layer has its path: `init: {normal: {layers: {fc: {normal: {std: 0.001}}}}}`")],
    "init.kaiming.mode": [(("average", "fan_avg"), "of both fans it is `init: xavier`")],
    "optimizer": [(("auto", "default"), "write `optimizer: {sgd: {lr: 0.1, momentum: 0.9}}`, or `optimizer: {adamw: {lr: 0.001}}`"),
                  (("lamb", "lion", "lars", "adagrad", "adadelta", "nadam", "nadamw", "radam", "adafactor", "adamax", "madgrad", "sgdp", "adamp", "novograd", "adabelief", "muon",
                    "sophia", "prodigy", "shampoo", "adan", "lookahead", "ftrl", "asgd", "rprop", "lbfgs", "sam"),
                   "there is no such optimizer; the nearest is `optimizer: {adamw: {lr: 0.001}}`")],
    "schedule": [(("CosineAnnealingWarmRestarts", "cosine_restarts", "cosine_with_restarts", "SGDR", "CyclicLR", "cyclic", "triangular", "Tanh"),
                  "there are no restarts: write `schedule: cosine`"),
                 (("LambdaLR", "lambda", "MultiplicativeLR", "SequentialLR", "ChainedScheduler", "piecewise", "PiecewiseConstantDecay", "LearningRateScheduler"),
                  "a schedule is no function: its times and factors are written `schedule: {steps: {at: [30, 60], factor: 0.1}}`"),
                 (("inverse_sqrt", "rsqrt", "noam"), "there is none: the nearest is `schedule: {polynomial: {power: 0.5}}`")],
    "augment": [(("rand-m9-mstd0.5-inc1", "rand-m9-mstd0.5", "rand-m15-mstd0.5", "rand-m9-n2", "rand"),
                 "write `augment: [{rand_augment: {ops: 2, magnitude: 9}}]`"),
                (("original", "originalr", "v0", "v0r", "3a", "augmix-m5-w4-d2", "imagenet"), "write `augment: [trivial_augment]`; there are no learned policies"),
                (("auto", "default", "true", "light", "medium", "heavy"), "steps are a list: write `augment: [trivial_augment]`, which wants no numbers")],
    "augment.*": [(("Normalize", "ToTensor", "Resize", "ToTensorV2", "PILToTensor", "ToImage", "ConvertImageDtype", "ToDtype", "Rescale", "rescaling", "LoadImageFromFile", "PackInputs",
                    "LongestMaxSize", "Grayscale", "RandomShortSideResize"), "leave it out: the spec's `preprocess` does it, for training and for the built model alike"),
                  (("AutoAugment", "AugMix", "TrivialAugmentImageNet", "autoaug", "imagenet"), "there is no such step; the nearest is `trivial_augment`, or `rand_augment: {ops: 2, magnitude: 9}`"),
                  (("rotate", "rotation", "RandomRotation", "Affine", "RandomAffine", "ShiftScaleRotate", "shear", "translate", "translation", "zoom", "RandomZoom", "perspective",
                    "RandomPerspective", "posterize", "RandomPosterize", "solarize", "RandomSolarize", "equalize", "RandomEqualize", "autocontrast", "RandomAutocontrast", "sharpness",
                    "RandomAdjustSharpness", "invert", "RandomInvert", "RandomBrightness", "HueSaturationValue", "RandomBrightnessContrast"),
                   "there is no step for it alone; `trivial_augment` draws among rotations, shears, shifts and colours"),
                  (("vertical_flip", "vflip", "flipud", "RandomVerticalFlip", "blur", "GaussianBlur", "noise", "GaussNoise", "GaussianNoise", "ElasticTransform",
                    "RandomGrayscale", "ToGray", "mosaic", "copy_paste", "ChannelShuffle", "fmix", "RandomApply", "OneOf", "Compose", "Lambda"), "leave it out: there is no such step"),
                  (("none", "Identity", "no"), "leave it out: without steps write `augment: []`")],
    "optimizer.*": [(("betas", "beta1", "beta2", "b1", "b2"), "both are one list, of the optimizers that have it: `optimizer: {adamw: {lr: 0.001, betas: [0.9, 0.999]}}`"),
                    (("foreach", "fused", "capturable", "maximize", "differentiable", "params", "parameters", "paramwise_cfg", "set_to_none", "clipnorm", "lookahead", "layer_decay"),
                     "leave it out: how a step is computed is chosen by itself"),
                    (("momentum", "mom"), "leave it out: `betas: [0.9, 0.999]` stand for it")],
    "schedule.*": [(("T_max", "t_initial", "total_steps", "total_iters", "epochs", "steps_per_epoch", "max_iters", "decay_steps", "num_training_steps", "max_epochs", "end"),
                    "leave it out: a schedule ends with the run"),
                   (("max_lr", "lr", "base_lr", "initial_lr", "lr0", "initial_learning_rate"), "leave it out: `lr` of the optimizer is where a schedule starts, and the peak of `one_cycle`"),
                   (("warmup", "warmup_epochs", "warmup_steps", "warmup_t", "warmup_iters", "warmup_lr", "warmup_lr_init", "warmup_ratio", "num_warmup_steps"),
                    "it stands at the top: `warmup: {epochs: 5}`"),
                   (("step_size", "period"), {"integer": "lower every so many epochs is another schedule: `schedule: {exponential: {every: VALUE, factor: 0.1}}`", "": ""}),
                   (("lrf", "alpha", "eta_min_ratio", "min_lr_ratio", "final_lr"), "the lowest learning rate is said itself: `min_lr: 0.0001`"),
                   (("last_epoch", "verbose", "by_epoch", "mode", "threshold", "cooldown", "begin", "interval", "frequency", "anneal_strategy", "three_phase", "cycle_momentum"), "leave it out: there is nothing of it")],
    "warmup": [(("lr", "warmup_lr", "init_lr", "start_lr"), "a warm-up starts at a share of the learning rate: `start: 0.01`"),
               (("linear", "constant", "exp", "exponential", "true"), "write `warmup: {epochs: 5}`")],
    "checkpoint": [(("save_top_k", "top_k"), "leave it out: the best weights are kept, one set of them"),
                   (("save_best", "save_last", "save_best_only", "mode", "filename", "dirpath", "dir", "path"), "leave it out: the best weights and the newest checkpoints lie in the folder of the run"),
                   (("none", "off"), "leave it out: a run goes on only from a checkpoint"),
                   (("all",), "write a number, as `checkpoint: {keep: 5}`")],
    "checkpoint.every": [(("-1", "none", "off", "never"), "leave it out: without it there is a checkpoint after each epoch")],
    "checkpoint.keep": [(("all", "-1", "0", "none"), "write a number, as `keep: 5`")],
    "log": [(("TensorBoardLogger",), "write `log: {tensorboard: true}`"),
            (("wandb", "comet", "mlflow", "WandbLogger", "CSVLogger", "csv", "neptune"), "a run writes metrics.csv and report.html; for TensorBoard write `log: {tensorboard: true}`")],
    "compile": [(("inductor", "max-autotune", "reduce-overhead", "default", "eager", "aot_eager"), "write `compile: true`: there are no modes")],
    "freeze": [(("all", "true"), "name the steps that stay as they are, as `freeze: [layer1, layer2]`; `archc show SPEC` has their paths"),
               (("backbone", "features", "encoder", "body"), "steps are named by their paths, as `freeze: [layer1, layer2]`; `archc show SPEC` has them")],
}  # fmt: skip

# a place, and what to write for a value of a JSON type
INSTEAD: dict[str, dict[str, str]] = {
    "ema": {"true": "ema: 0.9999"},
    "precision": {"true": "precision: bf16", "false": "precision: fp32"},
    "init": {"number": "init: {normal: {std: VALUE}}", "null": "init: default", "false": "init: default"},
    "warmup": {"true": "warmup: {epochs: 5}", "number": "warmup: {epochs: VALUE}"},
    "clip": {"true": "clip: 1.0"},
    "seed": {"string": "seed: 0", "null": "seed: 0", "true": "seed: 0", "false": "seed: 0", "number": "seed: 0"},
    "augment": {"true": "augment: [trivial_augment]"},
    "checkpoint": {"integer": "checkpoint: {every: {epochs: VALUE}}"},
    "loss": {"number": "loss: {label_smoothing: VALUE}"},
    "log": {"integer": "log: {every: VALUE}"},
    "freeze": {"integer": "freeze: [layer1, layer2]"},
    "data.val": {"number": "split: VALUE"},
}
# a place, and the key whose value is meant where others have a mapping: `batch: {train: 32, val: 64}`
MEANT_KEYS = dict.fromkeys(("batch", "epochs", "steps", "accumulate", "clip", "seed", "data.workers"), "train")
# a place of a list, and for each of its numbers the words of others, who have a field for each
PARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "optimizer.adam.betas": (("beta1", "b1", "beta_1", "adam_beta1"), ("beta2", "b2", "beta_2", "adam_beta2")),
    "optimizer.adamw.betas": (("beta1", "b1", "beta_1", "adam_beta1"), ("beta2", "b2", "beta_2", "adam_beta2")),
}
# a place, and how others divide its whole: words for each part, which of them a recipe has, where, and what there is for the others
OF_PICTURES = {
    "parts": {"train": ("training", "train_split", "train_size", "train_ratio", "train_fraction", "train_share"),
              "val": ("valid", "validation", "val_split", "val_size", "val_ratio", "val_fraction", "validation_split", "validation_size", "valid_size", "holdout"),
              "test": ("testing", "test_split", "test_size", "test_ratio", "test_fraction")},
    "wanted": "val", "wants": "that of the training pictures which validates",
    "remark": "test pictures lie in a folder of their own, beside those of `train`: `archc eval MODEL FOLDER`",
}  # fmt: skip
SHARES: dict[str, dict[str, Any]] = {"data": OF_PICTURES | {"into": "split"}, "data.split": OF_PICTURES | {"into": ""}}
# a place of a list, and the order of its items, where others name each: `class_weights: {cat: 1, dog: 2}`
ITEM_ORDERS = {"loss.class_weights": "the order of the classes, which is that of their names"}
METRIC_WORDS = dict.fromkeys(("accuracy", "acc", "acc1", "acc@1", "top1_acc", "val_acc", "val_accuracy", "val/acc", "prec1", "accuracy_top1", "eval_accuracy", "metrics/accuracy_top1", "top_1", "top-1"), "top1")  # fmt: skip
METRIC_WORDS |= dict.fromkeys(("acc5", "acc@5", "prec5", "top5_acc", "top_5", "top-5", "accuracy_top5"), "top5")
METRIC_WORDS |= dict.fromkeys(("val_loss", "eval_loss", "val/loss", "valid_loss", "validation_loss"), "loss")
# a place, and our words for those of others
OTHER_WORDS: dict[str, dict[str, str]] = {
    "data.format": {"folder": "imagefolder", "folders": "imagefolder", "mnist": "idx", "tsv": "csv"},
    "init.xavier.distribution": {"gaussian": "normal", "truncated_normal": "normal", "untruncated_normal": "normal"},
    "init.kaiming.distribution": {"gaussian": "normal", "truncated_normal": "normal", "untruncated_normal": "normal"},
    "init.kaiming.mode": {"fanin": "fan_in", "fanout": "fan_out", "in": "fan_in", "out": "fan_out"},
    "warmup.shape": {"line": "linear", "flat": "constant"},
    "precision": {"float32": "fp32", "32": "fp32", "full": "fp32", "bfloat16": "bf16", "bf16-mixed": "bf16", "float16": "fp16", "half": "fp16", "16-mixed": "fp16", "amp": "fp16",
                  "16": "fp16", "32-true": "fp32", "bf16-true": "bf16", "16-true": "fp16", "fp16-mixed": "fp16", "mixed": "fp16", "mixed_float16": "fp16",
                  "mixed_bfloat16": "bf16", "tf32": "fp32", "single": "fp32", "float": "fp32", "no": "fp32"},
    "checkpoint.best": METRIC_WORDS,
    "schedule.plateau.metric": METRIC_WORDS,
}  # fmt: skip
# a place of choices, and rows: words, the choice that they mean, our names for their fields, and what else it has then
FORMS: dict[str, list[tuple[tuple[str, ...], str, dict[str, str], dict[str, Any]]]] = {
    "init": [(("xavier_normal_", "xavier_normal", "glorot_normal", "XavierNormal"), "xavier", {}, {"distribution": "normal"}),
             (("xavier_uniform_", "xavier_uniform", "glorot_uniform", "XavierUniform"), "xavier", {}, {"distribution": "uniform"}),
             (("kaiming_normal_", "kaiming_normal", "he_normal", "KaimingNormal"), "kaiming", {}, {"distribution": "normal"}),
             (("kaiming_uniform_", "kaiming_uniform", "he_uniform"), "kaiming", {}, {"distribution": "uniform"}),
             (("lecun_normal",), "kaiming", {}, {"distribution": "normal", "gain": 1.0}),
             (("lecun_uniform",), "kaiming", {}, {"distribution": "uniform", "gain": 1.0})],
    "optimizer": [(("adamw_torch", "adamw_hf", "adamw_torch_fused", "adamw_apex_fused", "fusedadamw", "adamw_bnb_8bit", "adamw8bit"), "adamw", {}, {}),
                  (("fusedadam", "adam8bit"), "adam", {}, {}),
                  (("nesterov", "nag", "sgd_nesterov"), "sgd", {}, {"momentum": 0.9, "nesterov": True}),
                  (("sgd_momentum",), "sgd", {}, {"momentum": 0.9}),
                  (("rmsproptf", "fusedrmsprop"), "rmsprop", {}, {})],
    "schedule": [(("StepLR", "step", "StepDecay", "lr_step"), "exponential",
                  {"step_size": "every", "lr_step_size": "every", "decay_epochs": "every", "decay_t": "every", "period": "every", "gamma": "factor", "lr_gamma": "factor", "decay_rate": "factor"},
                  {"every": 30, "factor": 0.1}),
                 (("MultiStepLR", "multistep", "StepLR", "step", "steps"), "steps",
                  {"milestones": "at", "step": "at", "steps": "at", "lr_steps": "at", "decay_milestones": "at", "epochs": "at", "decay_epochs": "at", "lr_gamma": "factor"}, {}),
                 (("ExponentialDecay",), "exponential", {}, {}),
                 (("cosine_with_warmup", "get_cosine_schedule_with_warmup", "CosineLRScheduler", "CosineDecay", "warmup_cosine", "cosineLR", "cos", "CosineAnnealing"), "cosine",
                  {"lr_min": "min_lr", "warmup_eta_min": "min_lr"}, {}),
                 (("linear_with_warmup", "get_linear_schedule_with_warmup", "PolynomialDecay", "PolyLR"), "polynomial", {"end_learning_rate": "min_lr"}, {}),
                 (("constant_with_warmup", "flat"), "constant", {}, {}),
                 (("1cycle",), "one_cycle", {}, {})],
}  # fmt: skip
# a place of choices, and their names in the order in which one is looked for that has the fields that are given
ORDER: dict[str, tuple[str, ...]] = {
    "init": ("default", "normal", "kaiming", "xavier"),
    "optimizer": ("sgd", "adamw"),
    "schedule": ("cosine", "exponential", "steps", "one_cycle", "polynomial"),
}
# a place, and rows of fields of which one is needed, with a value of the first for an example; the classes of choices state their own
NEEDS: dict[str, list[tuple[Any, ...]]] = {
    "warmup": [(("epochs", "steps"), 5)],
    "checkpoint.every": [(("epochs", "steps"), 1)],
}
# a place, and a value that is usual there, where its default is none
EXAMPLES: dict[str, Any] = {
    "data.split": 0.1,
    "data.split.val": 0.1,
    "data.classes": ["cat", "dog"],
    "loss.label_smoothing": 0.1,
    "loss.class_weights": "balanced",
    "ema": 0.9999,
    "clip": 1.0,
    "init.*.bias": 0.0,
    "init.*.layers": {"fc": {"normal": {"std": 0.001}}},
    "optimizer.*.momentum": 0.9,
    "optimizer.*.weight_decay": 0.0001,
    "optimizer.*.eps": 1e-8,
    "schedule.*.min_lr": 0.0001,
    "freeze": ["layer1", "layer2"],
    "checkpoint": {"every": {"epochs": 1}},
    "log": {"every": 50},
    "loss": {"label_smoothing": 0.1},
    "data": {"train": "train", "val": "val"},
}
