"""Money arithmetic: index and mark price, margin, positions, liquidation and bankruptcy price. Knows no book."""
