"""`archimed demo`: the whole appliance on loopback in a folder of its own, fed with real DICOM files and a phantom.

    folder     the demo's folder: made, recognised, removed
    phantom    a synthetic multi-slice MR exam
    specimens  real DICOM files that pydicom brings along, as exams
    sender     a C-STORE sender, run as a program of its own
    processes  the appliance and the mount as child processes
    operator   the command line, as the demo's people type it
    proof      reading back through every door and comparing
    tour       what happens, in order, and what is printed about it

Everything goes through the same doors as in earnest: the configuration file, the command line, the C-STORE port, the gate, the
mount, WebDAV. Nothing here may reach past them.
"""
