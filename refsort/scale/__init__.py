"""Millions of pictures, on one machine or many: where they lie, parts of them, their vectors in Parquet files.

Work is divided into parts once, and a part is done when its file is there: whatever ends a run, the next one does the
rest. Needs pyarrow, and Ray for the engine of that name; both are imported inside the functions that need them, or in
files that only those functions import.
"""
