"""The ModelRollout: its fields, what they mean to the controller, its CRD. Pure."""
