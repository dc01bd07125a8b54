"""Runs a notebook in a real Jupyter kernel, as JupyterLab does, and saves it with its outputs.
usage: run_notebook.py IN.ipynb OUT.ipynb"""
import sys

import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
