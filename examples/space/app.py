"""The studio for visitors from anywhere: `uvicorn app:app --port 7860` in this folder.

Every visitor has projects of their own, which go after some hours. Put it behind HTTPS, as a Space
of the hub is.
"""

import os
from pathlib import Path

from posecast.studio.hosted import hosted_app

# The hub shows its Spaces in a frame of its own pages; other servers' pages stay unframed.
FRAMED_BY = "https://huggingface.co" if "SPACE_ID" in os.environ else None

app = hosted_app(Path(os.environ.get("POSECAST_DEMO_FOLDER", "posecast-demo")), framed_by=FRAMED_BY)
