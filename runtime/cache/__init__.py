"""The warm-start cache: graphs that onnxruntime has optimised for this machine, so that a model's next session is there at once.

An entry is a folder: the optimised graph, its weights in a second file, which onnxruntime maps, and notes.json, which says of which
files they were made, and what a session must know of the model. Its graph runs as if it were the model, so what protects it is that
nobody else may write to the folder (folder.py); what is damaged is ignored, and written anew.

A model's entry is found by its path, and holds only while the model's files are those that it was made of, as the system says them.
Nothing that a model says of itself counts.
"""
