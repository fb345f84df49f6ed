"""Let lock files accept torch's CPU build, and leave out what only its CUDA build needs: `make lock` runs this.

    python scripts/lock_cpu_torch.py requirements/all.lock ...

PyPI's torch for Linux is the CUDA build and brings gigabytes of NVIDIA's packages, which no test uses. The CPU build of
the same release is not on PyPI, so pip-compile cannot see it: where pip finds one (an index or a folder that the
machine's pip is set to), it is what must get installed. pip prefers a file whose hash it knows beforehand, which an
index gives and a folder does not; so the hashes of the CUDA builds leave the lock, and pip takes the CPU build.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CPU_BUILDS = {
    "2.13.0": ("6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",),  # Python 3.11, Linux x86-64
}
"""SHA-256 of the CPU builds by release of torch, as `pip hash FILE` prints them."""

CUDA_BUILDS = {
    "2.13.0": (
        "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7",  # Python 3.11, Linux x86-64
        "092790c696a760c729fd5722835f50b9d81fd7c8f141571f3f3cf4081a8f664c",  # Python 3.11, Linux ARM
        "796633c4cdf0fe2cdced72d8f88f22e73dbcfce83132763162f6d4bff13b820b",  # Python 3.12
        "572df8be8ffb4599c88cbd6a0726f1f854f4da65d2e3c09f0e2c2283333cd6d4",
        "a3a9a21312872af8a26950b2c15680335a386a1f56ed03e780653d78b9607e9e",  # Python 3.13
        "1e09d6a722504957c694faceca843acde562786df1144ebcc5a74075ec7f6005",
        "49f1ea385c754e54919408a9bb3b5a72b0b755bbe2c916c1d6f70afbec4908a2",  # Python 3.14
        "a3893dc2da0a972a8ca5d698c85a9f967559ac5f8ee1797b77408aa8734d073c",
        "cc26eead4cf51d0b544e31e364dcf000846549c273bd148936fe9d24d29acb92",  # Python 3.14, free-threaded
        "31061ff56ed8fbf26c749806905aeb749ebeb819810fd5d52508aa5afd90dddc",
    ),
}
"""SHA-256 of PyPI's files for Linux, by release; the files for other systems have no CUDA and stay."""

CUDA_ONLY = re.compile(r"(nvidia|cuda)-.+|triton")


def main(paths: list[str]) -> None:
    """Rewrite the lock files."""
    for path in map(Path, paths):
        head, *packages = re.split(r"(?m)^(?=[A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?==)", path.read_text())
        path.write_text(head + "".join(_adapted(package) for package in packages))


def _adapted(package: str) -> str:
    name, version = package.split(maxsplit=1)[0].split("==")
    name = name.partition("[")[0]
    if CUDA_ONLY.fullmatch(name):
        return ""
    if name != "torch":
        return package
    if version not in CPU_BUILDS:
        sys.exit(f"torch {version}: the hashes of its builds are not in scripts/lock_cpu_torch.py")
    kept = [line for line in package.splitlines() if not any(build in line for build in CUDA_BUILDS[version])]
    added = [f"    --hash=sha256:{build} \\" for build in CPU_BUILDS[version] if build not in package]
    return "\n".join([kept[0], *added, *kept[1:]]) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
