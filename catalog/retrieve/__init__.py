"""The archive as DICOM's query and retrieve model sees it (PS3.4 annex C): patients, studies, series, instances.

matching   whether a value is what a key asks for; pure
search     which of them a user sees, by SQL; the grant is in every statement

An exam is a patient: PatientID and PatientName are its code, IssuerOfPatientID is the study's code. May live here: what every
face that speaks DICOM's model shares. Not: protocols.
"""

from catalog.retrieve.matching import Level, Query
from catalog.retrieve.search import Answer, Instance, Scope, instances, search

__all__ = ["Answer", "Instance", "Level", "Query", "Scope", "instances", "search"]
