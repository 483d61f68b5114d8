"""The environment is plain data, complete, and honest where something is not there."""

import json

import pytest
import torch

from harness.measure import environment as module
from harness.measure.environment import driver_version, environment, processor_name


def test_environment_is_what_a_record_can_hold():
    measured = environment()
    assert json.loads(json.dumps(measured)) == measured
    assert measured["libraries"]["torch"] == torch.__version__
    assert measured["logical_cores"] >= 1
    assert measured["torch_threads"] == torch.get_num_threads()
    assert isinstance(measured["tf32_matmul"], bool)
    assert isinstance(measured["tf32_convolution"], bool)


def test_determinism_state_is_read_when_asked():
    before = torch.are_deterministic_algorithms_enabled()
    try:
        torch.use_deterministic_algorithms(True)
        assert environment()["deterministic_algorithms"] is True
    finally:
        torch.use_deterministic_algorithms(before)
    assert environment()["deterministic_algorithms"] is before


def test_a_library_that_is_not_there_is_none(monkeypatch):
    monkeypatch.setattr(module, "LIBRARIES", ("numpy", "no-such-library"))
    versions = module.library_versions()
    assert versions["no-such-library"] is None
    assert versions["numpy"]


def test_processor_name(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Imaginary 9000 @ 1.0GHz\n")
    assert processor_name(info) == "Imaginary 9000 @ 1.0GHz"
    assert processor_name(tmp_path / "none") != ""


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.1.2  Release", "570.1.2"),
        ("something new", "something new"),
        ("", None),
    ],
)
def test_driver_version(tmp_path, text, version):
    path = tmp_path / "version"
    path.write_text(text)
    assert driver_version(path) == version
    assert driver_version(tmp_path / "none") is None


def test_tf32_is_read_from_the_newer_name_first():
    class Newer:
        fp32_precision = "tf32"
        allow_tf32 = property(lambda self: pytest.fail("warns on newer versions"))

    class Older:
        allow_tf32 = True

    assert module._tf32(Newer()) is True
    assert module._tf32(Older()) is True
    assert module._tf32(object()) is False


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_environment_names_the_cuda_device():
    assert environment()["cuda_device"] == torch.cuda.get_device_name()
