"""A hosted demo of the studio: `uvicorn examples.studio_demo:app --port 7860`.

Every visitor has projects of their own, which go after some hours. Put it behind HTTPS.
"""

import os
from pathlib import Path

from posecast.studio.hosted import hosted_app

app = hosted_app(Path(os.environ.get("POSECAST_DEMO_FOLDER", "posecast-demo")))
