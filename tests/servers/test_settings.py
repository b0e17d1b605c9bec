"""Settings: one table, read once, frozen, secrets masked."""

import pytest

from bot import settings as bot_settings
from bot.settings import SETTINGS, SettingError


def load(tmp_path, **environ):
    return bot_settings.load({"KEFU_HOME": str(tmp_path / "home"), **environ}, file=tmp_path / "kefu.env")


def test_an_unknown_setting_is_refused_with_the_nearest_known_one(tmp_path):
    with pytest.raises(SettingError, match="KEFU_PROT is no setting; did you mean KEFU_PORT"):
        load(tmp_path, KEFU_PROT="8080")


def test_a_value_of_the_wrong_type_names_the_value_and_the_rule(tmp_path):
    with pytest.raises(SettingError, match="KEFU_PORT has value 'abc'; it must be a int"):
        load(tmp_path, KEFU_PORT="abc")


def test_the_environment_wins_over_the_file(tmp_path):
    (tmp_path / "kefu.env").write_text("# my shop\nKEFU_PORT=1\nKEFU_SHOP_NAME='Zelte & mehr'\n")
    settings = load(tmp_path, KEFU_PORT="2")
    assert settings.port == 2
    assert settings.shop_name == "Zelte & mehr"


def test_a_line_of_the_file_that_is_no_pair_is_named(tmp_path):
    (tmp_path / "kefu.env").write_text("KEFU_PORT 1\n")
    with pytest.raises(SettingError, match="line 1"):
        load(tmp_path)


def test_secrets_mask_themselves_and_are_kept(tmp_path):
    first, second = load(tmp_path), load(tmp_path)
    assert first.secret == second.secret
    assert len(first.secret) >= 32
    assert first.secret not in repr(first)
    assert (tmp_path / "home" / "keys" / "secret").stat().st_mode & 0o077 == 0


def test_each_setting_has_a_help_that_is_a_sentence():
    for setting in SETTINGS:
        assert setting.help.strip().endswith("."), setting.name


def test_a_default_is_of_its_type():
    for setting in SETTINGS:
        assert isinstance(setting.default, setting.type), setting.name


def test_what_tests_are_told_is_no_setting(tmp_path):
    assert load(tmp_path, KEFU_TEST_POSTGRES_URL="postgresql://somewhere").port == 8080
