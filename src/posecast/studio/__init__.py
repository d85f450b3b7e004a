"""Posecast Studio: cast, see and animate in the browser, on one's own machine.

A small server (`server`) over the casting room and the engines, and a page (`page/`) of plain ES
modules. A project is a folder that the command line reads; long work is done by worker processes.
"""
