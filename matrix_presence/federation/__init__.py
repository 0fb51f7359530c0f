"""How presence reaches other homeservers and comes from them.

Other packages know it only as the `IFederation` port.
"""
