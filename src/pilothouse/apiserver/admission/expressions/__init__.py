"""CEL of admission at run time, for policies and for the match conditions of webhooks: the variables of a request, budgets, conditions."""
