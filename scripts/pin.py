"""Pin what `uv.lock` resolved into `[tool.uv] constraint-dependencies` of one of the two projects.

    uv lock --upgrade && uv run python scripts/pin.py .
    uv lock --upgrade --project bot/dialogue && uv run python scripts/pin.py bot/dialogue

`uv.lock` itself names the hosts of a package index and is not committed; the pins are what makes two
machines install the same.
"""

import re
import sys
import tomllib
from pathlib import Path

# Pins that carry a reason. They win over what the lock says.
KEPT = {
    ".": {
        # one torch for everybody: the build that the models were measured with
        "torch": "2.13.0",
    },
    "bot/dialogue": {},
}


def pins(folder: Path) -> list[str]:
    lock = tomllib.loads((folder / "uv.lock").read_text())
    own = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
    found: dict[str, str] = {}
    forked = set()  # several versions, by platform: a pin would break one of them
    for package in lock["package"]:
        name, version = package["name"], package["version"].partition("+")[0]
        if name == own or name.startswith(("nvidia-", "triton", "cuda-")):
            continue
        if found.setdefault(name, version) != version:
            forked.add(name)
    found = {name: version for name, version in found.items() if name not in forked}
    found.update(KEPT.get(folder.as_posix(), {}))
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    file = folder / "pyproject.toml"
    lines = "".join(f'    "{pin}",\n' for pin in pins(folder))
    block = f"constraint-dependencies = [\n{lines}]\n"
    text, count = re.subn(r"constraint-dependencies = \[.*?\]\n", lambda _: block, file.read_text(), flags=re.S)
    if count != 1:
        sys.exit(f"{file}: expected one constraint-dependencies list below [tool.uv], found {count}")
    file.write_text(text)
    print(f"{file}: {block.count('==')} pins")


if __name__ == "__main__":
    main()
