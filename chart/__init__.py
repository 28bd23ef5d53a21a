"""What is generated for the Helm chart from its values, its README's frame and the ModelRollout kind."""
