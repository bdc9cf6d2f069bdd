"""Routes about images: which nodes and declarations need them. The images themselves are files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter

from profiles.site import Site
from seed.api.context import Context


def routes(context: Context) -> APIRouter:
    """The routes under /images."""
    router = APIRouter(prefix="/images", tags=["images"])

    @router.get("/{name}/uses")
    def uses(name: str) -> dict[str, Any]:
        """`nodes`: hosts made of it, `run` where one is being made; `declared`: who is to become one.

        `in_memory`: whether the host fetches it at each boot.
        """
        with context.store.read() as tx:
            nodes, live, site = tx.nodes.all(), tx.runs.all_live(), tx.documents.site()
        made = [(n, n.instance) for n in nodes if n.instance and n.instance.image == name]
        return {
            "nodes": [
                {
                    "name": node.name,
                    "state": node.state,
                    "run": live[node.uuid].id if node.uuid in live else None,
                    "in_memory": instance.in_memory,
                }
                for node, instance in made
            ],
            "declared": list(_declared(site, name)),
        }

    return router


def _declared(site: Site, image: str) -> Iterator[str]:
    for name, profile in site.profiles.items():
        if profile.image == image and "image" in profile.model_fields_set:
            yield f"profile {name}"
    for host in site.filled():
        if host.image == image:
            yield f"host {host.title}"
