"""What a webhook is and who may do what with it: pure rules over frozen values."""
