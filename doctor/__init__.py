"""What is wrong with a mesh before it bites: checks over Kubernetes objects, wherever they come from."""
