import platform
import sys
from glob import glob
from pathlib import Path

from setuptools import Extension, find_packages, setup

HERE = Path(__file__).resolve().parent


def read_version():
    names = {}
    exec((HERE / 'mmdyup' / 'version.py').read_text(encoding='utf-8'), names)
    return names['__version__']


# Apple's compiler comes without OpenMP, which makes threads.
THREADS = [] if sys.platform == 'darwin' else ['-fopenmp']
# Sums may be taken in another order, or they could not be made of vectors.
SUMS = ['-fassociative-math', '-fno-signed-zeros', '-fno-trapping-math', '-ffp-contract=fast']


def library(name, *flags):
    """One of the libraries of mmdyup/ops/cpp, no Python module though built like one.

    Where it cannot be built, PyTorch's own operations do its work.
    """
    return Extension(
        name=f'mmdyup.ops.cpp.{name}',
        sources=sorted(glob('mmdyup/ops/cpp/*.cpp', root_dir=HERE)),
        depends=sorted(glob('mmdyup/ops/cpp/*.h', root_dir=HERE)),
        extra_compile_args=['-std=c++17', '-O3', *SUMS, *THREADS, *flags],
        extra_link_args=THREADS,
        optional=True,
    )


LIBRARIES = [library('_kernels')]
if platform.machine() in ('x86_64', 'AMD64'):
    LIBRARIES.append(library('_kernels_avx2', '-mavx2', '-mfma'))

setup(
    name='mmdyup',
    version=read_version(),
    description='Dynamic upsampling (DySample, DLU, CARAFE, FADE, SAPA) for MMDetection and '
    'MMSegmentation',
    long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    keywords=['upsampling', 'object detection', 'semantic segmentation', 'MMDetection'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    python_requires='>=3.10,<3.13',
    packages=find_packages(include=['mmdyup', 'mmdyup.*']),
    ext_modules=LIBRARIES,
    package_data={'mmdyup.papers': ['tables/*.json']},
    # torch, mmengine and mmcv come under several names and builds, and pip would put its own choice
    # beside the one that is there: requirements/ and tools/install.py see to them.
    install_requires=['numpy'],
)
