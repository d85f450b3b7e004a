"""Posecast Studio: cast, preview and animate in the browser, on the user's own machine.

It is a small server (`server`) over the casting room and the engines, and a page (`page/`) of plain
ES modules. A project is a folder that the command line can read. Worker processes do long work.
"""
