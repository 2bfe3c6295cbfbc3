"""Do the tests notice when the code is wrong? Small faults are put in, one at a time, and the tests have to fail.

    python -m tests.mutation --seed 0 --count 200

draws 200 *mutants*: copies of one source file in which an operator is exchanged, a constant changed, a condition
turned round or a statement left out (`mutants.py`). For each, the tests that concern the file run in a process of
their own (`runner.py`), which imports the mutant in the place of the file and finds no PyTorch (`substitute.py`). What
all of them let pass is printed as a diff: either a test is missing, or the change makes no difference.

The working tree is only read, and the same seed draws the same mutants.
"""
