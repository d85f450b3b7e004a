// Joints and bones of a body, as OpenPose numbers them, with the feet after it.

export const JOINTS = [
  "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow",
  "left wrist", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
  "right eye", "left eye", "right ear", "left ear",
  "left big toe", "left small toe", "left heel", "right big toe", "right small toe", "right heel",
];

export const BONES = [
  [1, 2], [1, 5], [2, 3], [3, 4], [5, 6], [6, 7], [1, 8], [8, 9], [9, 10], [1, 11], [11, 12],
  [12, 13], [1, 0], [0, 14], [14, 16], [0, 15], [15, 17],
];

export const FOOT_BONES = [[13, 20], [13, 18], [18, 19], [10, 23], [10, 21], [21, 22]];

export const SEEN = 0.3;

/** Joints that go along when one is moved: hands with wrists, feet with ankles, face with nose. */
const WITH = {
  0: [...range(24, 92), 14, 15, 16, 17],
  4: range(113, 134),
  7: range(92, 113),
  10: [21, 22, 23],
  13: [18, 19, 20],
};

function range(first, stop) {
  return Array.from({ length: stop - first }, (_, i) => first + i);
}

/** Move a joint of a person, and what hangs on it. */
export function moveJoint(joints, index, x, y) {
  const dx = x - joints[index][0];
  const dy = y - joints[index][1];
  for (const other of WITH[index] ?? []) {
    if (joints[other]) joints[other] = [round(joints[other][0] + dx), round(joints[other][1] + dy), joints[other][2]];
  }
  joints[index] = [round(x), round(y), Math.max(joints[index][2], 0.9)];
}

const round = (value) => Math.round(value * 100) / 100;

/** Somebody who stands upright, as wide as people are, hips at (x, y), `height` from nose to ankles. */
export function standing(x, y, height) {
  const at = (right, down) => [round(x + right * height), round(y + down * height), 0.9];
  return [
    at(0, -0.52), at(0, -0.36),
    at(-0.11, -0.35), at(-0.15, -0.19), at(-0.16, -0.03),
    at(0.11, -0.35), at(0.15, -0.19), at(0.16, -0.03),
    at(-0.07, 0), at(-0.07, 0.24), at(-0.07, 0.48),
    at(0.07, 0), at(0.07, 0.24), at(0.07, 0.48),
    at(-0.02, -0.54), at(0.02, -0.54), at(-0.045, -0.53), at(0.045, -0.53),
  ];
}

/** Bounds of what is seen of a person: left, top, right, bottom. */
export function bounds(joints) {
  const seen = joints.filter((joint) => joint[2] >= SEEN);
  const xs = seen.map((joint) => joint[0]);
  const ys = seen.map((joint) => joint[1]);
  return seen.length ? [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] : null;
}

/** Draw a body given as x, y, x, y, ... (null: absent) on a canvas, `scale` to its pixels. */
export function drawBody(pen, points, scale, colour, width = 2) {
  if (!points) return;
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.lineCap = "round";
  pen.beginPath();
  for (const [a, b] of BONES) {
    if (points[2 * a] === null || points[2 * b] === null) continue;
    pen.moveTo(points[2 * a] * scale, points[2 * a + 1] * scale);
    pen.lineTo(points[2 * b] * scale, points[2 * b + 1] * scale);
  }
  pen.stroke();
}
