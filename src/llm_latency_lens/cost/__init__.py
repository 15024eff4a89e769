"""What tokens cost: prices, charges, estimates and a cap. Pure; money is Decimal US dollars; unknown is None."""
