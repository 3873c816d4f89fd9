from services.authz.domain.projection import seat_epoch, server_epoch, user_epoch
from services.authz.epochs import Epochs


def test_epoch_changes_only_for_what_was_touched() -> None:
    epochs = Epochs("t0")
    epochs.bump([server_epoch(1), seat_epoch(1, 2)], "t1")
    assert epochs.of(server_epoch(1)) == epochs.of(seat_epoch(1, 2)) == epochs.head == "t1"
    assert epochs.of(server_epoch(2)) == epochs.of(seat_epoch(1, 3)) == epochs.of(user_epoch(1)) == "t0"


def test_epochs_are_bounded_and_never_older_than_their_facts() -> None:
    epochs = Epochs("0", limit=10)
    for number in range(1, 101):
        epochs.bump([user_epoch(number)], str(number))
        assert len(epochs._tokens) <= 10
        assert all(int(epochs.of(user_epoch(past))) >= past for past in range(1, number + 1))
