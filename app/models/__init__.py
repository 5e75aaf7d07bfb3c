"""The mathematics that needs exp, log and erf: option values, volatilities, indices made of them. Pure functions of floats."""
