"""Settings of the audit log: whose signature it bears, and where its heads are written down."""

from pydantic import Field

from config.values import AbsolutePath, Section, Text


class AuditSettings(Section):
    """The log itself lies below the data directory; it cannot be switched off.

    Put `heads_folder` where those who administer this machine cannot write or delete. It has to be
    there: what is made in place of a volume that is not mounted lies on the wrong disk.
    """

    # PEM, Ed25519; without it the first start makes one in the data directory.
    signing_keys_file: Text | None = Field(default=None, examples=["/run/secrets/audit-keys.pem"])
    heads_folder: AbsolutePath | None = Field(default=None, examples=["/mnt/audit-heads"])
