"""Recipes: plain coroutines over one seed that ask models and settle the seed's planned rows."""
