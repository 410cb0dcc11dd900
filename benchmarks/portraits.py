"""Portraits and other images: which of them are taken to be about a face.

`python benchmarks/portraits.py FOLDER|ZIP ...` prints for every image how many faces it has, where
the largest is, and whether it is what the image is about, by the rule of `deephide.codecs.faces`.
On 40 portraits (all about a face), 220 crops of camera photos with people in six of them (none), 32
wallpapers (none) and 148 images of cats, horses and cars (none).
"""

import sys

from deephide.codecs import faces
from e2style.data import align
from e2style.data.archive import Archive, photo
from e2style.data.detect import load_detector


def main():
    detector = load_detector()
    for name in sys.argv[1:]:
        about = count = 0
        archive = Archive(name)
        for member in archive.names:
            image = photo(archive.read(member))
            found = detector.find(image)
            places = [align.place(each.landmarks) for each in found]
            subject = bool(places) and faces._is_subject(image, places)
            count, about = count + 1, about + subject
            if places:
                x, y = (places[0].centre / image.size).tolist()
                share = places[0].side / min(image.size)
                print(f"{member}  {len(found)} faces, {share:.2f} at {x:.2f} {y:.2f}  {subject}")
        print(f"{name}: {about} of {count} are about a face")


if __name__ == "__main__":
    main()
