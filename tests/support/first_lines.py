"""Run a program until it has printed some lines, and stop it: `python first_lines.py COUNT PROGRAM [ARGUMENT ...]`."""

import subprocess
import sys


def main() -> int:
    """Pass the lines on. The exit code is 1 for a program that ends before it has printed them."""
    count, program = int(sys.argv[1]), sys.argv[2:]
    with subprocess.Popen(program, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdout is not None
        try:
            for _ in range(count):
                line = process.stdout.readline()
                if not line:
                    return 1
                sys.stdout.write(line)
        finally:
            process.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
