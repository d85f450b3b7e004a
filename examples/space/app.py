"""The studio for public visitors: run `uvicorn app:app --port 7860` in this folder.

Each visitor has their own projects, which are deleted after some hours. Serve it over HTTPS, as a
Space of the hub is.
"""

import os
from pathlib import Path

from posecast.studio.hosted import hosted_app

# The hub shows Spaces in a frame of its own pages; on other servers no page may frame it.
FRAMED_BY = "https://huggingface.co" if "SPACE_ID" in os.environ else None

app = hosted_app(Path(os.environ.get("POSECAST_DEMO_FOLDER", "posecast-demo")), framed_by=FRAMED_BY)
