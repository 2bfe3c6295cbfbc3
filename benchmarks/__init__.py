"""How fast minigrad is beside PyTorch: `python -m benchmarks` prints tables and writes JSON.

What is measured: `rows.py` says what a row is; `networks.py`, `operations.py` and `data_path.py` have them, `tables.py`
puts them into tables. `frameworks.py` says in what they are measured. How: `worker.py` is the process that times rows
in one framework, `measure.py` starts these processes in turn, and `report.py` turns their answers into tables.
"""
