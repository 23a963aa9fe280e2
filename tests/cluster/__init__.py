"""Inquest on a real Kubernetes control plane: `make test-cluster`, after `scripts/install-cluster`."""
