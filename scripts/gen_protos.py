"""Write the Python stubs of protos/ into gen/, or tell whether they are in step.

    python scripts/gen_protos.py           writes gen/
    python scripts/gen_protos.py --check   writes nothing; exits 1 and names what differs

The stubs are committed, so running and testing Beep needs no compiler and a change of a contract shows in
the review. They depend on nothing but protos/ and the pinned grpcio-tools and mypy-protobuf.
"""

import argparse
import filecmp
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import google.rpc
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GEN = ROOT / "gen"


def generate(target: Path) -> None:
    """Compile every file of protos/ into `target`, an existing directory."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    # The plugins of this interpreter's environment, not whatever stands first on PATH.
    plugins = [
        f"--plugin={name}={Path(sys.executable).parent / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    ]
    status = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={files('grpc_tools') / '_proto'}",
            f"--proto_path={Path(google.rpc.__path__[0]).parent.parent}",
            *plugins,
            f"--python_out={target}",
            f"--grpc_python_out={target}",
            f"--mypy_out=quiet:{target}",
            f"--mypy_grpc_out=quiet:{target}",
            *sources,
        ]
    )
    if status:
        raise SystemExit(status)


def differences(expected: Path, actual: Path) -> Iterator[str]:
    """Yield one line for each stub of `actual` that is missing, left over or different from `expected`."""
    wanted, present = ({path.relative_to(tree) for path in stubs(tree)} for tree in (expected, actual))
    for path in sorted(wanted | present):
        if path not in present:
            yield f"missing    gen/{path}"
        elif path not in wanted:
            yield f"left over  gen/{path}"
        elif not filecmp.cmp(expected / path, actual / path, shallow=False):
            yield f"differs    gen/{path}"


def stubs(tree: Path) -> Iterator[Path]:
    """Yield the generated files below `tree`, without Python's own caches."""
    return (path for path in tree.rglob("*_pb2*.py*") if path.suffix in {".py", ".pyi"})


def main() -> int:
    """Return the exit status: 0 when gen/ is, or now is, what protos/ says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only")
    check: bool = parser.parse_args().check

    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        stale = list(differences(fresh, GEN))
        if check:
            print(
                "\n".join(
                    [*stale, "gen/ is not what protos/ says: run `make protos`"] if stale else ["gen/ is in step"]
                )
            )
            return 1 if stale else 0
        # Only what changed is written: whoever watches or has compiled the rest keeps it.
        for path in stubs(GEN):
            if not (fresh / path.relative_to(GEN)).exists():
                path.unlink()
        for path in stubs(fresh):
            target = GEN / path.relative_to(fresh)
            if target.exists() and filecmp.cmp(path, target, shallow=False):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    print(f"{len(stale)} stubs written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
