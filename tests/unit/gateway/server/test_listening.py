from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.gateway.server.address import read_address
from telemetry.gateway.server.listening import bound_address, open_listener


def open_at(path: Path) -> socket.socket:
    return open_listener(read_address(f"unix:{path}"))


def test_a_port_is_chosen_by_the_system() -> None:
    address = read_address("http://127.0.0.1:0")
    with open_listener(address) as listener:
        assert bound_address(address, listener).port == listener.getsockname()[1] > 0


def test_a_port_in_use_is_an_error() -> None:
    with open_listener(read_address("http://127.0.0.1:0")) as listener:
        taken = bound_address(read_address("http://127.0.0.1:0"), listener)
        with pytest.raises(ConfigurationError, match="cannot be listened on"):
            open_listener(taken)


def test_a_unix_socket_is_for_its_owner_and_group(tmp_path: Path) -> None:
    with open_at(tmp_path / "s") as listener:
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o660
        assert listener.getsockname() == str(tmp_path / "s")


def test_the_mask_of_the_process_is_as_before(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        open_at(tmp_path / "s").close()
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_a_socket_that_nobody_listens_on_is_replaced(tmp_path: Path) -> None:
    open_at(tmp_path / "s").close()

    open_at(tmp_path / "s").close()


def test_a_socket_in_use_stays(tmp_path: Path) -> None:
    with open_at(tmp_path / "s"), pytest.raises(ConfigurationError, match="is in use"):
        open_at(tmp_path / "s")

    assert (tmp_path / "s").exists()


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("precious")

    with pytest.raises(ConfigurationError, match="exists and is no socket"):
        open_at(tmp_path / "s")

    assert (tmp_path / "s").read_text() == "precious"


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    open_at(tmp_path / "other").close()
    (tmp_path / "s").symlink_to(tmp_path / "other")

    with pytest.raises(ConfigurationError, match="exists and is no socket"):
        open_at(tmp_path / "s")

    assert (tmp_path / "other").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_socket_of_another_user_stays(tmp_path: Path) -> None:
    open_at(tmp_path / "s").close()
    os.chown(tmp_path / "s", 12_345, 12_345)

    with pytest.raises(ConfigurationError, match="of another user"):
        open_at(tmp_path / "s")


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)

    with pytest.raises(ConfigurationError, match="is not safe"):
        open_at(tmp_path / "open" / "s")


def test_a_folder_that_is_absent_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be listened on"):
        open_at(tmp_path / "nothing" / "s")


def test_a_path_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be listened on"):
        open_at(tmp_path / ("s" * 200))
