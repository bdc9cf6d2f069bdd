"""Run by the interpreter with the image's own modules: a config drive's files as cloud-init understands them.

Reads a folder with network_data.json and user_data, prints what became of them as JSON, and writes what
netplan's renderer makes of the network to FOLDER/root/etc/netplan.
"""

import json
import sys
from email.message import Message
from pathlib import Path

import yaml
from cloudinit import helpers, sources, user_data, util
from cloudinit.config import schema
from cloudinit.handlers import cloud_config
from cloudinit.net import netplan, network_state
from cloudinit.sources.helpers import openstack

NICS = {f"52:54:00:00:00:0{number}": f"ens{number}" for number in (1, 2, 3)}


def network(folder: Path) -> None:
    data = json.loads((folder / "network_data.json").read_text())
    state = network_state.parse_net_config_data(openstack.convert_net_json(data, known_macs=NICS))
    target = folder / "root"
    (target / "etc/netplan").mkdir(parents=True)
    netplan.Renderer({"netplan_path": "etc/netplan/50.yaml", "postcmds": False}).render_network_state(
        state, target=str(target)
    )


def merged(folder: Path) -> dict:
    """All cloud-config parts as one, as stages.py has them handled, and the kinds of all parts."""
    message = user_data.UserDataProcessor(helpers.Paths({})).process((folder / "user_data").read_bytes())
    handler = cloud_config.CloudConfigPartHandler(helpers.Paths({}))
    handler.handle_part(None, "__begin__", None, None, None, None)
    kinds = []
    for part in message.walk():
        if not isinstance(part, Message) or part.is_multipart():
            continue
        kinds.append(part.get_content_type())
        if part.get_content_type() == "text/cloud-config":
            text = util.decode_binary(util.fully_decoded_payload(part))
            handler.handle_part(None, "text/cloud-config", part.get_filename(), text, None, dict(part))
    config = handler.cloud_buf
    schema.validate_cloudconfig_schema(config, strict=True, log_details=False)
    return {"kinds": kinds, "config": config}


folder = Path(sys.argv[1])
network(folder)
vendor = folder / "vendor_data.json"
print(
    json.dumps(
        {
            **merged(folder),
            "netplan": yaml.safe_load((folder / "root/etc/netplan/50.yaml").read_text()),
            "vendor": sources.convert_vendordata(json.loads(vendor.read_text())) if vendor.exists() else None,
        }
    )
)
