"""Who may speak at the broker: a certificate authority for one home, the certificates it gives out, the access rules.

Nothing of it runs on a device. The folder of the authority is kept by whoever looks after the broker.
"""
