"""Twelve exercises: a lesson, a blank to fill, and a check that says in words what is wrong.

    python -m exercises          what there is, and what is done
    python -m exercises 3        check the third

Fill the blanks in the files `e01_…py` to `e12_…py`. Nothing here ever writes to them; `git checkout exercises/` brings
the blanks back. `checks.py` and its neighbour know the answers: look there last.
"""
