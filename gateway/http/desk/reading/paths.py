"""What a place of the archive is called where it is mounted, and three lines that open it in programs. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

_PYTHON_DICOM = """\
import pydicom, pathlib
files = sorted(pathlib.Path("<folder>").expanduser().iterdir())
first = pydicom.dcmread(files[0])"""
_PYTHON_NIFTI = """\
import nibabel, pathlib
files = sorted(pathlib.Path("<folder>").expanduser().glob("*.nii*"))
volume = nibabel.load(files[0]).get_fdata()"""
_MATLAB_DICOM = """\
folder = '<folder>';
volume = squeeze(dicomreadVolume(folder));
imshow(volume(:, :, round(end / 2)), []);"""
_MATLAB_NIFTI = """\
files = dir(fullfile('<folder>', '*.nii*'));
name = fullfile(files(1).folder, files(1).name);
volume = niftiread(name);"""
_IMAGEJ = """\
folder = "<folder>";
File.openSequence(folder);
run("Enhance Contrast", "saturated=0.35");"""
_SLICER = """\
import pathlib
files = sorted(pathlib.Path("<folder>").expanduser().iterdir())
volume = slicer.util.loadVolume(str(files[0]))"""
_R_DICOM = """\
library(oro.dicom)
folder <- "<folder>"
series <- readDICOM(folder)"""
_R_NIFTI = """\
library(RNifti)
files <- list.files("<folder>", full.names = TRUE)
volume <- readNifti(files[1])"""
_BOTH = (("ImageJ", _IMAGEJ), ("3D Slicer", _SLICER))
_DICOM = (("Python", _PYTHON_DICOM), ("MATLAB", _MATLAB_DICOM), *_BOTH, ("R", _R_DICOM))
_NIFTI = (("Python", _PYTHON_NIFTI), ("MATLAB", _MATLAB_NIFTI), *_BOTH, ("R", _R_NIFTI))


@dataclass(frozen=True, slots=True)
class Place:
    """A path on one system."""

    system: str
    path: str


@dataclass(frozen=True, slots=True)
class Snippet:
    """Some lines that open a folder in a program."""

    program: str
    lines: str


def places(path: str, *, login: str, host: str, mount: str) -> list[Place]:
    """Return what a path of the tree is called on each system.

    Args:
        path: `2008-0003/E001/003_DCM_MR_t1`.
        login: whose tree it is.
        host: the server's name, with its port where it is not the usual one.
        mount: the mount for all users on the machine itself, '' if there is none.
    """
    name, _, port = host.partition(":")
    share = f"\\\\{name}@SSL{f'@{port}' if port else ''}\\DavWWWRoot\\archive"
    windows = path.replace("/", "\\")
    linux = f"{mount}/{login}/{path}" if mount else f"~/archimed/{path}"
    return [Place("Linux", linux), Place("Windows", f"{share}\\{windows}"), Place("macOS", f"/Volumes/archive/{path}")]


def snippets(folder: str, file_type: str) -> Sequence[Snippet]:
    """Return how programs open a series that lies in a folder on Linux; that of another system fits in there as well."""
    double = folder.replace("\\", "\\\\").replace('"', '\\"')
    single = folder.replace("'", "''")  # as MATLAB writes it
    found = _NIFTI if file_type == "NIFTI" else _DICOM
    return [Snippet(program, lines.replace("<folder>", single if program == "MATLAB" else double)) for program, lines in found]
