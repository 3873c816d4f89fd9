"""Every route against everybody: who may do what, decided here once more and compared with what Beep answers."""
