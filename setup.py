"""Builds mmdyup's C++; what else there is to say about the package stands in pyproject.toml."""

import platform
import shutil
import sys
from glob import glob
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

CSRC = 'mmdyup/ops/csrc'
HERE = Path(__file__).resolve().parent

# Apple's compiler comes without OpenMP, which makes threads.
THREADS = [] if sys.platform == 'darwin' else ['-fopenmp']
# Sums may be taken in another order, or they could not be made of vectors.
SUMS = ['-fassociative-math', '-fno-signed-zeros', '-fno-trapping-math', '-ffp-contract=fast']


def library(name, *flags):
    """One of the libraries of CSRC, no Python module though built like one.

    Where it cannot be built, PyTorch's own operations do its work.
    """
    return Extension(
        name=f'{CSRC.replace("/", ".")}.{name}',
        sources=sorted(glob(f'{CSRC}/*.cpp', root_dir=HERE)),
        depends=sorted(glob(f'{CSRC}/*.h', root_dir=HERE)),
        extra_compile_args=['-std=c++17', '-O3', *SUMS, *THREADS, *flags],
        extra_link_args=THREADS,
        optional=True,
    )


class BuildLibraries(build_ext):
    """Names the libraries for what they are: code for a platform, whatever the Python."""

    def get_ext_filename(self, fullname):
        return f'{fullname.replace(".", "/")}.so'


class Wheel(bdist_wheel):
    """A wheel for every Python: of this platform, or of any where no library could be built."""

    def run(self):
        build = self.get_finalized_command('build')
        # modules of an earlier build that are no more would go into the wheel
        shutil.rmtree(build.build_lib, ignore_errors=True)
        self.run_command('build')
        self.root_is_pure = not list(Path(build.build_lib).rglob('*.so'))
        super().run()

    def get_tag(self):
        return 'py3', 'none', super().get_tag()[2]


libraries = [library('libmmdyup')] if sys.platform != 'win32' else []
if libraries and platform.machine() in ('x86_64', 'AMD64'):
    libraries.append(library('libmmdyup_avx2', '-mavx2', '-mfma'))

setup(
    ext_modules=libraries,
    cmdclass={'build_ext': BuildLibraries, 'bdist_wheel': Wheel},
)
