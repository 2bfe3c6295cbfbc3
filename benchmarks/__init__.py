"""How fast minigrad is beside PyTorch: `python -m benchmarks` prints a table and writes JSON.

`workloads.py` says what is measured, `frameworks.py` in what, `worker.py` is the process that times one workload in one
framework, `measure.py` starts these processes in turn, and `report.py` turns their answers into numbers and a table.
"""
