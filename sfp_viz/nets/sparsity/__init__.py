"""Training that makes a network sparse: SSR with AULM, group lasso, stripe gates."""
