"""DICOMweb (PS3.18) at /dicomweb: searching, retrieving, and storing into staging, as far as grants allow.

    /dicomweb/...                       all that is granted
    /dicomweb/studies-of/CODE/...       what lies in one study of the archive

    part        finds the resource that is asked for
    searching   QIDO-RS: parameters -> `catalog.retrieve`, answers as JSON
    retrieving  WADO-RS: instances, metadata, bulk data
    frames      WADO-RS: pixels as they are stored or decoded, pictures, thumbnails
    storing     STOW-RS: parts of a body become files of an open batch; nothing is stored but through the gate
    headers     data sets as JSON, kept as long as memory allows
    model       the DICOM JSON model (PS3.18 annex F)
    media       what a client accepts
    multipart   multipart/related (RFC 2387), read and written as streams

May live here: the protocol. Not: who sees what, what matches a query (`catalog.retrieve`, as for C-FIND).
"""

from gateway.dicomweb.part import DicomwebPart, DicomwebServices

__all__ = ["DicomwebPart", "DicomwebServices"]
