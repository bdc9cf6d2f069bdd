"""The config drive: an ISO 9660 image labelled config-2, as cloud-init's ConfigDrive source reads it.

Layout: OpenStack's metadata service, `openstack/latest/{meta_data.json,network_data.json,user_data}`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

import pycdlib


def build(files: Mapping[str, bytes]) -> bytes:
    """An image with `files` under openstack/latest/, by name."""
    iso = pycdlib.PyCdlib()
    # Rock Ridge keeps lower case and underscores, which plain ISO 9660 has not.
    iso.new(interchange_level=3, vol_ident="config-2", rock_ridge="1.09", joliet=3)
    iso.add_directory("/OPENSTACK", rr_name="openstack", joliet_path="/openstack")
    iso.add_directory("/OPENSTACK/LATEST", rr_name="latest", joliet_path="/openstack/latest")
    for number, (name, content) in enumerate(sorted(files.items())):
        iso.add_fp(
            io.BytesIO(content),
            len(content),
            f"/OPENSTACK/LATEST/FILE{number}.;1",
            rr_name=name,
            joliet_path=f"/openstack/latest/{name}",
        )
    image = io.BytesIO()
    iso.write_fp(image)
    iso.close()
    return image.getvalue()
