"""The trained recommender on disk and in memory: its members, the items they number, the fusion's weights."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from actions.recommendation.factors import Ease, Factors
from actions.recommendation.fusion import Weights
from actions.recommendation.interactions import Asker
from actions.recommendation.members import Content, Member, Neighbours, Popularity, ShelfPopularity, Together
from actions.recommendation.ranker import Ranker, blended
from actions.recommendation.sequence import NextItem
from ensemble import artifact
from ensemble.artifact import Content as FileContent
from ensemble.artifact import Manifest

KIND = "recommendation"
CLASSES: Mapping[str, Any] = {
    member.name: member
    for member in (Popularity, ShelfPopularity, Neighbours, Ease, Factors, Content, Together, NextItem)
}


@dataclass(frozen=True)
class Model:
    """Members over the same `items`; `weights.members` are their names in the same order."""

    items: tuple[str, ...]
    members: tuple[Member, ...]
    weights: Weights
    version: str = ""
    ranker: Ranker | None = None
    ranker_weight: Mapping[str, float] = field(default_factory=dict)  # group -> weight of the trees

    @cached_property
    def number(self) -> dict[str, int]:
        return {id: number for number, id in enumerate(self.items)}

    @cached_property
    def known(self) -> Any:
        """(items,) how widely each is known, in standard deviations; zeros without a popularity member."""
        member = self.member("popularity")
        if not isinstance(member, Popularity):
            return np.zeros(len(self.items))
        seen = np.log1p(member.weights_)
        return (seen - seen.mean()) / max(float(seen.std()), 1e-9)

    def ranked(self, even: Any, fused: Any, asker: Asker, group: str) -> Any:
        """(items,) fused scores with the trees' say; items that may not be shown are -inf and stay so."""
        weight = self.ranker_weight.get(group, 0.0)
        if self.ranker is None or weight == 0:
            return fused
        return blended(fused, self.ranker.rescored(even, fused, asker), weight)

    def member(self, name: str) -> Member | None:
        return next((member for member in self.members if member.name == name), None)

    def source_of(self, name: str, item: int, asker: Asker) -> int | None:
        """The item of the history (or a seed) that this member links `item` to most; None when none does."""
        candidates = np.unique(np.concatenate([asker.items[-50:], np.array(asker.seeds, dtype=np.int64)]))
        candidates = candidates[candidates != item]
        links = self._links(name, item, candidates) if len(candidates) else np.zeros(0)
        if not len(links) or links.max() <= 0:
            return None
        return int(candidates[int(links.argmax())])

    def _links(self, name: str, item: int, candidates: Any) -> Any:
        member = self.member(name)
        if isinstance(member, Neighbours):
            return np.asarray(member.similar_[candidates, item].todense()).ravel()
        if isinstance(member, Together):
            return np.asarray(member.pairs_[candidates, item].todense()).ravel()
        if isinstance(member, Ease):
            return member.weights_[candidates, item]
        if isinstance(member, Factors):
            return member.items_[candidates] @ member.items_[item]
        if isinstance(member, Content):
            return member.centred_[candidates] @ member.centred_[item]
        return self._links("neighbours", item, candidates) if self.member("neighbours") else np.zeros(0)

    def save(
        self,
        folder: Path,
        *,
        data_sha256: str,
        metrics: Mapping[str, Any],
        more: Mapping[str, FileContent] | None = None,
    ) -> Manifest:
        files: dict[str, FileContent] = {f"{member.name}.npz": _writer(member.arrays()) for member in self.members}
        files["model.json"] = json.dumps(
            {
                "members": [member.name for member in self.members],
                "weights": self.weights.to_json(),
                "ranker_weight": dict(self.ranker_weight),
            }
        ).encode()
        if self.ranker is not None:
            files["ranker.npz"] = _writer(self.ranker.arrays())
        files["items.json"] = json.dumps(list(self.items)).encode()
        return artifact.save(folder, KIND, {**files, **(more or {})}, data_sha256=data_sha256, metrics=dict(metrics))

    @classmethod
    def load(cls, folder: Path, *, classes: Mapping[str, Any] | None = None) -> "Model":
        """
        Raises:
            ArtifactError: missing or damaged.
        """
        held = artifact.load(folder, KIND)
        facts = held.json("model.json")
        members = []
        for name in facts["members"]:
            with np.load(held.path(f"{name}.npz"), allow_pickle=False) as arrays:
                members.append((classes or CLASSES)[name].from_arrays({key: arrays[key] for key in arrays.files}))
        ranker = None
        if "ranker.npz" in held.manifest.files:
            with np.load(held.path("ranker.npz"), allow_pickle=False) as arrays:
                ranker = Ranker.from_arrays({key: arrays[key] for key in arrays.files})
        return cls(
            tuple(held.json("items.json")),
            tuple(members),
            Weights.from_json(facts["weights"]),
            held.manifest.version,
            ranker,
            facts.get("ranker_weight", {}),
        )


def score_all(members: Sequence[Member], askers: Sequence[Asker]) -> Any:
    """(members, askers, items)."""
    return np.stack([member.scores(askers) for member in members])


def _writer(arrays: Mapping[str, Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as out:
            np.savez(out, **arrays)

    return write
