"""The seed's two faces: one for machines on the provisioning network, one for operators on a local socket."""
