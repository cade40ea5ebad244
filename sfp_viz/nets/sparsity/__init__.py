"""Sparse training: SSR with AULM, group lasso, multi-granularity with stripe gates."""
