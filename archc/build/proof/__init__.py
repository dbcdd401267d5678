"""The proof of a build: that onnxruntime answers as torch does. docs/explanation/proof.md says what each extent of it proves, and what not."""
