// Not drawn yet.

export function draw(place) {
  place.textContent = "";
}
