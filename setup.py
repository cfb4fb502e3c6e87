from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def read_version():
    names = {}
    exec((HERE / 'mmdyup' / 'version.py').read_text(encoding='utf-8'), names)
    return names['__version__']


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
    package_data={'mmdyup.papers': ['tables/*.json']},
    # torch, mmengine and mmcv come under several names and builds, and pip would put its own choice
    # beside the one that is there: requirements/ and tools/install.py see to them.
    install_requires=['numpy'],
)
