"""Parts, edges, layers and cycles of the source tree, counted on its imports.

    python benchmarks/structure.py [--list PACKAGE] [FOLDER]

A part is a folder of modules, or a module that lies directly in its package; an edge says that some
module of one part imports some module of another; a layer is a step of the longest chain of edges.
The same is counted for modules. Imports inside functions count, those for types alone do not. A
cycle is a set of modules each of which leads to all the others.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGES = ("cli", "deephide", "e2style", "stc")
ROOT = Path(__file__).resolve().parents[1]
Graph = dict[str, set[str]]


def modules(root: Path) -> dict[str, Path]:
    """Return the files of all packages by their dotted names."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield every statement that may run, at any depth."""
    for node in body:
        if _for_types(node):
            continue
        yield node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.excepthandler | ast.match_case):
                yield from _statements(child.body)
        for name in ("body", "orelse", "finalbody"):
            yield from _statements([n for n in getattr(node, name, []) if isinstance(n, ast.stmt)])


def _targets(node: ast.stmt, name: str, is_package: bool, known: Mapping[str, object]) -> set[str]:
    """Return the modules of the tree that one statement imports."""
    wanted: list[str] = []
    if isinstance(node, ast.Import):
        wanted = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = name.split(".")[: len(name.split(".")) - node.level + is_package]
            base = ".".join([*above, *filter(None, [base])])
        wanted = [f"{base}.{a.name}" if f"{base}.{a.name}" in known else base for a in node.names]
    return {each for each in wanted if each in known} - {name}


def imports(root: Path = ROOT) -> Graph:
    """Return which modules of the tree each module imports."""
    known = modules(root)
    return {
        name: set().union(
            *(
                _targets(node, name, path.name == "__init__.py", known)
                for node in _statements(ast.parse(path.read_text(encoding="utf-8")).body)
            ),
            set(),
        )
        for name, path in known.items()
    }


def parts(graph: Graph) -> Graph:
    """Return the graph of parts: `deephide.covers` is one, and so is `deephide.api`."""
    # What a package's own face re-exports is no part.
    inner = {name: ".".join(name.split(".")[:2]) for name in graph if name not in PACKAGES}
    joined: Graph = {each: set() for each in inner.values()}
    for name, targets in graph.items():
        if name in inner:
            joined[inner[name]] |= {inner[t] for t in targets if t in inner}
    return {name: targets - {name} for name, targets in joined.items()}


def cycles(graph: Graph) -> list[list[str]]:
    """Return every largest set of two or more names that lead to one another."""
    reached = {name: _reachable(graph, name) for name in graph}
    found = {
        frozenset({name} | {other for other in reached[name] if name in reached[other]})
        for name in graph
        if name in reached[name]
    }
    return sorted(sorted(each) for each in found)


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for target in graph[waiting.pop()]:
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def layers(graph: Graph) -> int:
    """Return how many names stand one upon the other; a cycle counts as one layer."""
    group = {name: name for name in graph}
    for cycle in cycles(graph):
        group |= dict.fromkeys(cycle, cycle[0])
    flat: Graph = {each: set() for each in group.values()}
    for name, targets in graph.items():
        flat[group[name]] |= {group[t] for t in targets} - {group[name]}
    height: dict[str, int] = {}

    def measure(name: str) -> int:
        if name not in height:
            height[name] = 1 + max(map(measure, flat[name]), default=0)
        return height[name]

    return max(map(measure, flat), default=0)


def inside(graph: Graph, package: str) -> Graph:
    """Return the part of a graph that lies in one package."""
    names = {name for name in graph if name.partition(".")[0] == package}
    return {name: graph[name] & names for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, help="folder of the packages")
    parser.add_argument("--list", metavar="PACKAGE", help="print the edges between its parts")
    options = parser.parse_args()
    graph = imports(options.root)
    print(f"{'package':10}{'of':>8}{'parts':>7}{'edges':>8}{'layers':>8}{'cycles':>9}")
    for package in PACKAGES:
        whole = {n: t - {package} for n, t in inside(graph, package).items() if n != package}
        joined = inside(parts(graph), package)
        for kind, counted in (("modules", whole), ("parts", joined)):
            edges, loops = sum(map(len, counted.values())), cycles(counted)
            figures = (len(counted), edges, layers(counted), len(loops))
            print(f"{package:10}{kind:>8}{figures[0]:7}{figures[1]:8}{figures[2]:8}{figures[3]:9}")
            for loop in loops:
                print(f"    cycle of {kind}: {', '.join(loop)}")
    if options.list:
        for name, targets in sorted(inside(parts(graph), options.list).items()):
            print(f"{name} -> {', '.join(sorted(targets)) or '(nothing)'}")


if __name__ == "__main__":
    main()
