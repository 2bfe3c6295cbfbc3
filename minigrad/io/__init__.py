"""Files: what is written so that it can be trusted, and what is read without being trusted.

    checkpoints.py      minigrad's own files: nested dicts of arrays, numbers and text, in safetensors
    torch_file/         PyTorch's files, without PyTorch
    pickle_machine.py   pickles as data: a machine that runs them and can import and call nothing
    tar_reader.py       tar archives, front to back
    files.py            a reader sees the old file or the new one, never half of it

`mg.save`, `mg.load` and `mg.load_torch` come from here. Nothing is imported before it is used.
"""
