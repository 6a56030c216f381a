"""The command line: ``python -m sklearn_seq2seq``."""

import sys

from sklearn_seq2seq._command_line import main

if __name__ == "__main__":
    sys.exit(main())
