"""How fast a model runs: contenders in processes of their own, in turn, and what their times say and do not say."""
